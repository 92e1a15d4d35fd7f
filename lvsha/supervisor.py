"""The supervisor: placeholder until written."""
