package org.peftjava.transformers.model;

import org.peftjava.torch.nn.AttentionLayer;

/** The attention of a rotary decoder layer, whichever way it projects. */
public interface RotaryAttention extends AttentionLayer<RotaryContext> {}
