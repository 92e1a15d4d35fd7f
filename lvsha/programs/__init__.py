"""Small processes of our own that do beside the big ones what would hold those up."""
