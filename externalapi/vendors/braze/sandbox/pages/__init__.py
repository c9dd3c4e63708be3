"""The sandbox's pages: people, what arrived, catalogs. `layout` is their frame."""
