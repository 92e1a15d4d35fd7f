"""lvsha: a high-availability load balancer for Linux Virtual Server."""

__version__ = "0.1.0"
