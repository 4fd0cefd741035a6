"""The version of this layer, that of the C library it is made for (include/rodgrad/version.h)."""

__version__ = "0.1.0"
