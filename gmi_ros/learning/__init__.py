"""The network of the paper (sections III-C and IV-B), its data, training and files: needs core and torch only."""
