"""Notices of order changes to chat groups, phones and other platforms (docs/notify.md). Pure but for `outgoing`."""
