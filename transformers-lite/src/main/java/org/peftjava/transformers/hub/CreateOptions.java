package org.peftjava.transformers.hub;

import java.util.Optional;
import java.util.function.Consumer;

/**
 * How a repository or a branch is created.
 *
 * @param existOk whether one that is there already is good
 * @param isPrivate whether only its owners see a repository; else as its organization wants it
 * @param revision where a branch begins; else at "main"
 */
public record CreateOptions(
    boolean existOk, Optional<Boolean> isPrivate, Optional<String> revision) {
  static CreateOptions of(Consumer<Builder> options) {
    Builder builder = new Builder();
    options.accept(builder);
    return builder.build();
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private boolean existOk;
    private Optional<Boolean> isPrivate = Optional.empty();
    private Optional<String> revision = Optional.empty();

    private Builder() {}

    /** Whether one that is there already is good. */
    public Builder existOk(boolean value) {
      existOk = value;
      return this;
    }

    /** Whether only its owners see a repository; Python's {@code private}. */
    public Builder isPrivate(boolean value) {
      isPrivate = Optional.of(value);
      return this;
    }

    /** Where a branch begins: a branch, tag or commit. */
    public Builder revision(String value) {
      RepoId.checkRevision(value);
      revision = Optional.of(value);
      return this;
    }

    private CreateOptions build() {
      return new CreateOptions(existOk, isPrivate, revision);
    }
  }
}
