"""The formats of the files that Chatterbox is published in, read and written without a framework."""
