"""The command line: the commands of all packages under one name."""
