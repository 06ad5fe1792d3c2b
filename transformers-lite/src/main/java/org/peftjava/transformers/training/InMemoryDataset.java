package org.peftjava.transformers.training;

import java.util.List;

/** A dataset over a list. */
record InMemoryDataset(List<Example> examples) implements Dataset {
  @Override
  public int size() {
    return examples.size();
  }

  @Override
  public Example get(int index) {
    return examples.get(index);
  }
}
