"""What is in ``packaging``: the image, the units and the manifests."""
