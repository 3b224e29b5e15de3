"""What every layer stands on: errors, files, arrays of numbers and how far apart two of them are."""
