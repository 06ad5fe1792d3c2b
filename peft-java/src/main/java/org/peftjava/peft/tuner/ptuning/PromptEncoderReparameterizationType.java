package org.peftjava.peft.tuner.ptuning;

/** The network that computes virtual tokens. */
public enum PromptEncoderReparameterizationType {
  /** Three linear layers with ReLU between them. */
  MLP,
  /** An LSTM in both directions, then two linear layers with ReLU between them. */
  LSTM
}
