"""What `gateway tail` is made of: a client of the admin port, and a table for a terminal."""
