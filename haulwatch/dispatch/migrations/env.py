"""Runs the migrations on the connection, and within the transaction, that the opener of the store hands over."""

from alembic import context

from haulwatch.dispatch.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
