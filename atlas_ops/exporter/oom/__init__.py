"""What the kernel's OOM killer ended, on the whole host and in each container. `collector` is the entry."""
