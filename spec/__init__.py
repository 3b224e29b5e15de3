"""What Chatterbox is, for every implementation of it: no framework is imported here."""
