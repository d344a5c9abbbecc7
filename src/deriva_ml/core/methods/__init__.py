"""The flat methods of `DerivaML`, a module for each group of them.

Each is a function of a connection that hands on to the collaborator that does the work;
`DerivaML` takes it into its class under the same name.
"""
