package org.peftjava.transformers.hub;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How files are pushed to the hub.
 *
 * @param commitMessage the first line of the commit's message, if not the default
 * @param commitDescription the rest of it
 * @param isPrivate whether a new repository is seen by its owners only; else as its organization
 *     wants it
 * @param revision the branch; else that of the name, else "main"
 * @param createPr whether the commit becomes a pull request
 * @param parentCommit the commit that must be the branch's last one
 * @param allowPatterns if there are any, only files that match one are uploaded
 * @param ignorePatterns files that match one are not uploaded
 * @param deletePatterns files of the repository that match one, and are not uploaded, are deleted
 * @param tags what a model card gets besides its own tags
 * @param maxShardSize bytes of a model's weights in one file
 * @param hub address, token, timeouts, progress
 */
public record PushOptions(
    Optional<String> commitMessage,
    String commitDescription,
    Optional<Boolean> isPrivate,
    Optional<String> revision,
    boolean createPr,
    Optional<String> parentCommit,
    List<String> allowPatterns,
    List<String> ignorePatterns,
    List<String> deletePatterns,
    List<String> tags,
    Optional<String> maxShardSize,
    Consumer<HubOptions.Builder> hub) {
  /** Copies the lists. */
  public PushOptions {
    allowPatterns = List.copyOf(allowPatterns);
    ignorePatterns = List.copyOf(ignorePatterns);
    deletePatterns = List.copyOf(deletePatterns);
    tags = List.copyOf(tags);
  }

  /** What the builder's calls give. */
  public static PushOptions of(Consumer<Builder> options) {
    Builder builder = new Builder();
    options.accept(builder);
    return builder.build();
  }

  /** Options for the hub itself. */
  HubOptions hubOptions() {
    HubOptions.Builder builder = HubOptions.builder();
    hub.accept(builder);
    return builder.build();
  }

  /** The same with this message if there is none. */
  PushOptions orMessage(String message) {
    return new PushOptions(
        commitMessage.or(() -> Optional.of(message)),
        commitDescription,
        isPrivate,
        revision,
        createPr,
        parentCommit,
        allowPatterns,
        ignorePatterns,
        deletePatterns,
        tags,
        maxShardSize,
        hub);
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<String> commitMessage = Optional.empty();
    private String commitDescription = "";
    private Optional<Boolean> isPrivate = Optional.empty();
    private Optional<String> revision = Optional.empty();
    private boolean createPr;
    private Optional<String> parentCommit = Optional.empty();
    private final List<String> allowPatterns = new ArrayList<>();
    private final List<String> ignorePatterns = new ArrayList<>();
    private final List<String> deletePatterns = new ArrayList<>();
    private final List<String> tags = new ArrayList<>();
    private Optional<String> maxShardSize = Optional.empty();
    private Consumer<HubOptions.Builder> hub = options -> {};

    private Builder() {}

    /** The first line of the commit's message. */
    public Builder commitMessage(String value) {
      if (value.isBlank()) {
        throw new IllegalArgumentException("The commit message is empty. Say what has changed.");
      }
      commitMessage = Optional.of(value);
      return this;
    }

    /** The rest of the commit's message. */
    public Builder commitDescription(String value) {
      commitDescription = value;
      return this;
    }

    /** Whether a new repository is seen by its owners only; Python's {@code private}. */
    public Builder isPrivate(boolean value) {
      isPrivate = Optional.of(value);
      return this;
    }

    /** The branch, which is created if it is not there. */
    public Builder revision(String value) {
      RepoId.checkRevision(value);
      revision = Optional.of(value);
      return this;
    }

    /** Whether the commit becomes a pull request. */
    public Builder createPr(boolean value) {
      createPr = value;
      return this;
    }

    /** The commit that must be the branch's last one: 40 hexadecimal digits. */
    public Builder parentCommit(String value) {
      if (!FileNames.isCommit(value)) {
        throw new IllegalArgumentException(
            "parentCommit is \"" + value + "\"; expected the 40 digits of a commit.");
      }
      parentCommit = Optional.of(value);
      return this;
    }

    /** Uploads only files whose names match one of these; {@code *} is any text, with slashes. */
    public Builder allowPatterns(String... values) {
      allowPatterns.addAll(List.of(values));
      return this;
    }

    /** Does not upload files whose names match one of these. */
    public Builder ignorePatterns(String... values) {
      ignorePatterns.addAll(List.of(values));
      return this;
    }

    /** Deletes files of the repository whose names match one of these and are not uploaded. */
    public Builder deletePatterns(String... values) {
      deletePatterns.addAll(List.of(values));
      return this;
    }

    /** Tags for the model card. */
    public Builder tags(String... values) {
      tags.addAll(List.of(values));
      return this;
    }

    /** Size of a model's files as text with a unit, such as "5GB". */
    public Builder maxShardSize(String value) {
      maxShardSize = Optional.of(value);
      return this;
    }

    /** The hub's token; that of the environment if this is not called. */
    public Builder token(String value) {
      return hub(options -> options.token(value));
    }

    /** Options for the hub, such as its address. */
    public Builder hub(Consumer<HubOptions.Builder> options) {
      hub = hub.andThen(options);
      return this;
    }

    private PushOptions build() {
      return new PushOptions(
          commitMessage,
          commitDescription,
          isPrivate,
          revision,
          createPr,
          parentCommit,
          allowPatterns,
          ignorePatterns,
          deletePatterns,
          tags,
          maxShardSize,
          hub);
    }
  }
}
