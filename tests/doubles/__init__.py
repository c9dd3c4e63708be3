"""What stands outside of the product, with the real thing in it wherever there is one."""
