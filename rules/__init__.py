"""What a truck may not do: rule books, their language and the engine that matches them."""
