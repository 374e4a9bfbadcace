"""What is wrong with an installation, in words. Looks, and changes nothing."""
