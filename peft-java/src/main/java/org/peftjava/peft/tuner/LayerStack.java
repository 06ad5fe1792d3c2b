package org.peftjava.peft.tuner;

import java.util.List;

/** The stack of a model's layers, of which some can be used more than once. */
public interface LayerStack {
  /**
   * Makes a stack of these ranges of layers, which share the weights.
   *
   * @param ranges first layer, and the one after the last
   * @return puts the layers back as they were
   */
  Runnable replicate(List<List<Integer>> ranges);
}
