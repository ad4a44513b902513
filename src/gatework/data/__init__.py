"""From files and frames to windows of tensors."""
