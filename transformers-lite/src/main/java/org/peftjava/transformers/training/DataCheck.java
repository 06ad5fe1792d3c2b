package org.peftjava.transformers.training;

import org.peftjava.transformers.config.PretrainedConfig;

/** What a dataset must fulfil before a model sees it: every example is looked at once. */
final class DataCheck {
  private final String name;
  private final PretrainedConfig config;

  DataCheck(String name, PretrainedConfig config) {
    this.name = name;
    this.config = config;
  }

  void check(Dataset dataset) {
    if (dataset.size() == 0) {
      throw new IllegalArgumentException(
          "The " + name + " dataset is empty. It needs at least one example.");
    }
    long targets = 0;
    for (int i = 0; i < dataset.size(); i++) {
      Example example = dataset.get(i);
      checkLength(i, example);
      checkIds(i, example.inputIds(), "token", false);
      checkIds(i, example.labels(), "label", true);
      targets += example.targets();
    }
    if (targets == 0) {
      throw new IllegalArgumentException(
          "No token of the "
              + name
              + " dataset counts in the loss: all labels after the first of each example are "
              + Example.IGNORED
              + ". Give labels to the tokens that the model should learn.");
    }
  }

  private void checkLength(int index, Example example) {
    int positions = config.maxPositionEmbeddings();
    if (example.length() == 0) {
      throw new IllegalArgumentException(
          "Example " + index + " of the " + name + " dataset has no tokens. Leave it out.");
    }
    if (example.length() > positions) {
      throw new IllegalArgumentException(
          "Example "
              + index
              + " of the "
              + name
              + " dataset has "
              + example.length()
              + " tokens, but the model has positions for "
              + positions
              + ". Tokenize with maxLength("
              + positions
              + ") and truncation(true) or packing(true).");
    }
  }

  private void checkIds(int index, long[] ids, String what, boolean mayBeIgnored) {
    for (int i = 0; i < ids.length; i++) {
      boolean ignored = mayBeIgnored && ids[i] == Example.IGNORED;
      if (!ignored && (ids[i] < 0 || ids[i] >= config.vocabSize())) {
        throw new IllegalArgumentException(
            "Example "
                + index
                + " of the "
                + name
                + " dataset has "
                + what
                + " "
                + ids[i]
                + " at position "
                + i
                + ", outside the model's vocabulary of "
                + config.vocabSize()
                + (mayBeIgnored ? ". Expected an id in it, or " + Example.IGNORED : "")
                + ". Was it tokenized with this model's tokenizer?");
      }
    }
  }
}
