package org.peftjava.transformers.jinja;

/** What a template has written so far. */
final class Output {
  private final StringBuilder text = new StringBuilder();
  private final Budget budget;

  Output(Budget budget) {
    this.budget = budget;
  }

  void write(String part) {
    budget.make(part.length());
    if (text.length() + part.length() > Budget.MAX_LENGTH) {
      budget.make(Budget.MAX_LENGTH + 1L);
    }
    text.append(part);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
