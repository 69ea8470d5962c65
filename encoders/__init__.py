"""Stimulus to embedding to predicted response: embedding models, ridge, pretrained encoders."""
