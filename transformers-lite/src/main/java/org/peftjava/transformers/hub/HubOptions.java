package org.peftjava.transformers.hub;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * How repositories of the hub are read and written. The defaults come from the environment
 * variables of huggingface_hub: {@code HF_HOME}, {@code HF_HUB_CACHE}, {@code HF_TOKEN}, {@code
 * HF_ENDPOINT}, {@code HF_HUB_OFFLINE} and their kin.
 *
 * @param revision the branch, tag or commit, if it is not part of the name; else "main"
 * @param cacheDir where downloads are kept
 * @param endpoint the hub's address
 * @param token what opens private and gated repositories
 * @param localFilesOnly whether only the cache is used
 * @param forceDownload whether files are fetched again although they are in the cache
 * @param symlinks whether snapshots link to blobs; else they are copies
 * @param etagTimeout how long an answer may take
 * @param downloadTimeout how long a download may stand still
 * @param uploadTimeout how long an upload, or the answer to it, may stand still
 * @param progress hears how downloads and uploads proceed
 */
public record HubOptions(
    Optional<String> revision,
    Path cacheDir,
    URI endpoint,
    Optional<String> token,
    boolean localFilesOnly,
    boolean forceDownload,
    boolean symlinks,
    Duration etagTimeout,
    Duration downloadTimeout,
    Duration uploadTimeout,
    TransferListener progress) {
  private static final Duration UPLOAD_TIMEOUT = Duration.ofMinutes(1);

  /** A builder with the defaults of this process. */
  public static Builder builder() {
    return new Builder(HubEnvironment.ofProcess());
  }

  static Builder builder(HubEnvironment environment) {
    return new Builder(environment);
  }

  /** Keeps the token to itself. */
  @Override
  public String toString() {
    return "HubOptions[endpoint="
        + endpoint
        + ", cacheDir="
        + cacheDir
        + ", revision="
        + revision.orElse("main")
        + ", token="
        + (token.isPresent() ? "given" : "none")
        + ", localFilesOnly="
        + localFilesOnly
        + "]";
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<String> revision = Optional.empty();
    private Path cacheDir;
    private URI endpoint;
    private Optional<String> token;
    private boolean localFilesOnly;
    private boolean forceDownload;
    private final boolean symlinks;
    private Duration etagTimeout;
    private Duration downloadTimeout;
    private Duration uploadTimeout = UPLOAD_TIMEOUT;
    private TransferListener progress = TransferListener.NONE;

    private Builder(HubEnvironment environment) {
      cacheDir = environment.cacheDir();
      endpoint = environment.endpoint();
      token = environment.token();
      localFilesOnly = environment.offline();
      symlinks = environment.symlinks();
      etagTimeout = environment.etagTimeout();
      downloadTimeout = environment.downloadTimeout();
    }

    /** A branch, tag or commit. */
    public Builder revision(String value) {
      RepoId.checkRevision(value);
      revision = Optional.of(value);
      return this;
    }

    /** Where downloads are kept. */
    public Builder cacheDir(Path value) {
      cacheDir = value;
      return this;
    }

    /** The hub's address. */
    public Builder endpoint(String value) {
      endpoint = HubEnvironment.endpoint(value);
      return this;
    }

    /** What opens private and gated repositories; empty text for none. */
    public Builder token(String value) {
      if (value.chars().anyMatch(c -> c <= ' ' || c >= 0x7f)) {
        throw new IllegalArgumentException("The token has characters that no token has.");
      }
      token = Optional.of(value).filter(text -> !text.isEmpty());
      return this;
    }

    /** Whether only the cache is used. */
    public Builder localFilesOnly(boolean value) {
      localFilesOnly = value;
      return this;
    }

    /** Whether files are fetched again although they are in the cache. */
    public Builder forceDownload(boolean value) {
      forceDownload = value;
      return this;
    }

    /** How long an answer may take. */
    public Builder etagTimeout(Duration value) {
      etagTimeout = value;
      return this;
    }

    /** How long a download may stand still. */
    public Builder downloadTimeout(Duration value) {
      downloadTimeout = value;
      return this;
    }

    /** How long an upload, or the answer to it, may stand still. */
    public Builder uploadTimeout(Duration value) {
      uploadTimeout = value;
      return this;
    }

    /** Hears how downloads and uploads proceed. */
    public Builder progress(TransferListener value) {
      progress = value;
      return this;
    }

    /** The options. */
    public HubOptions build() {
      return new HubOptions(
          revision,
          cacheDir,
          endpoint,
          token,
          localFilesOnly,
          forceDownload,
          symlinks,
          etagTimeout,
          downloadTimeout,
          uploadTimeout,
          progress);
    }
  }
}
