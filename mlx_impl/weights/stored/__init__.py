"""A checkpoint file as it is stored: namings, layouts and numbers, and the parameters that its tensors are."""
