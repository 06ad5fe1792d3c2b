package org.peftjava.transformers.training;

import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLanguageModel;

/** What a dataset must fulfil before a model sees it: every example is looked at once. */
final class DataCheck {
  private final String name;
  private final PretrainedModel model;

  DataCheck(String name, PretrainedModel model) {
    this.name = name;
    this.model = model;
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
      checkKind(i, example);
      checkTokens(i, example.inputIds());
      if (example.kind() == Example.Kind.SPAN) {
        checkSpan(i, example.labels());
      } else {
        checkLabels(i, example.labels());
      }
      targets += example.targets(model.shiftsLabels());
    }
    if (targets == 0) {
      throw new IllegalArgumentException(
          "No token of the "
              + name
              + " dataset counts in the loss: all labels "
              + (model.shiftsLabels() ? "after the first of each example are " : "are ")
              + Example.IGNORED
              + ". Give labels to the tokens that the model should learn.");
    }
  }

  private void checkKind(int index, Example example) {
    boolean writes = model instanceof Seq2SeqLanguageModel;
    boolean spans = example.kind() == Example.Kind.SPAN;
    if (spans != model.learnsSpans()) {
      throw new IllegalArgumentException(
          "Example "
              + index
              + " of the "
              + name
              + " dataset has "
              + (spans ? "the positions of an answer" : "no positions of an answer")
              + ", but the model "
              + (spans
                  ? "answers no questions. Load it with AutoModelForQuestionAnswering."
                  : "answers questions. Make examples with Example.ofSpan(ids, start, end)."));
    }
    if (writes != (example.kind() == Example.Kind.TARGET)) {
      throw new IllegalArgumentException(
          "Example "
              + index
              + " of the "
              + name
              + " dataset has "
              + (writes ? "no target text" : "a target text")
              + ", but the model "
              + (writes ? "writes text from text." : "is no encoder with a decoder.")
              + (writes
                  ? " Make examples with Example.ofTarget(source, target)."
                  : " Make examples with Example.of or Example.ofCompletion."));
    }
    if (writes && example.labels().length == 0) {
      throw new IllegalArgumentException(
          "Example " + index + " of the " + name + " dataset has an empty target. Leave it out.");
    }
  }

  private void checkLength(int index, Example example) {
    int positions = model.config().maxPositionEmbeddings();
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

  private void checkTokens(int index, long[] ids) {
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= model.config().vocabSize()) {
        throw new IllegalArgumentException(
            where(index, "token", ids[i], i)
                + ", outside the model's vocabulary of "
                + model.config().vocabSize()
                + ". Was it tokenized with this model's tokenizer?");
      }
    }
  }

  private void checkSpan(int index, long[] span) {
    if (span[0] < 0 || span[1] < span[0]) {
      throw new IllegalArgumentException(
          "Example "
              + index
              + " of the "
              + name
              + " dataset has an answer from token "
              + span[0]
              + " to token "
              + span[1]
              + ". Expected indices of its first and last token, 0 and 0 for no answer.");
    }
  }

  private void checkLabels(int index, long[] labels) {
    boolean tokens = model.labelCount() == model.config().vocabSize();
    for (int i = 0; i < labels.length; i++) {
      if (labels[i] != Example.IGNORED && (labels[i] < 0 || labels[i] >= model.labelCount())) {
        throw new IllegalArgumentException(
            where(index, "label", labels[i], i)
                + (tokens
                    ? ", outside the model's vocabulary of "
                    : ", outside the model's labels, ")
                + model.labelCount()
                + (tokens ? ". Expected an id in it, or " : " of them. Expected one of them, or ")
                + Example.IGNORED
                + (tokens
                    ? ". Was it tokenized with this model's tokenizer?"
                    : ". Load the model with numLabels(…) if there are more."));
      }
    }
  }

  private String where(int index, String what, long value, int position) {
    return "Example "
        + index
        + " of the "
        + name
        + " dataset has "
        + what
        + " "
        + value
        + " at position "
        + position;
  }
}
