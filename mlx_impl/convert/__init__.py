"""`python -m mlx_impl convert` and `audit`: weight files into another naming or dtype, and what is wrong in them."""
