"""ipvsadm 1.31 as pure functions: its grammar, its listings, its save format."""
