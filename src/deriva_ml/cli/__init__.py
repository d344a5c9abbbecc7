"""Commands of DerivaML."""
