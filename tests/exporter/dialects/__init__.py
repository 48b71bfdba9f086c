"""What the pages of each runtime must become, and the lies among them."""
