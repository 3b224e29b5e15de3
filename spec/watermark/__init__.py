"""Perth's watermark, without a framework: its sizes, its weights' file, and the rates around its network."""
