"""Response to embedding to picture: linear and contrastive decoders, retrieval, generators."""
