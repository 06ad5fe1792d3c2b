package org.peftjava.transformers.hub;

/** A repository or file that could not be had or written, and why. */
public final class HubException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Reason reason;

  /** What went wrong, as the classes in {@code huggingface_hub.errors} tell it apart. */
  public enum Reason {
    /** No such repository, or a private one that the token does not open. */
    REPOSITORY_NOT_FOUND,
    /** The repository asks for its terms to be accepted first. */
    GATED_REPO,
    /** The repository has no such branch, tag or commit. */
    REVISION_NOT_FOUND,
    /** The repository has no such file. */
    ENTRY_NOT_FOUND,
    /** It is not in the cache, and requests are not allowed. */
    LOCAL_ENTRY_NOT_FOUND,
    /** The token is wrong or does not allow this. */
    UNAUTHORIZED,
    /** Someone else has changed the repository, or it exists already. */
    CONFLICT,
    /** The server does not take what was sent: its form, a file, or its size. */
    REJECTED,
    /** The server cannot be reached or is overloaded, also after retries. */
    UNAVAILABLE,
    /** The server's answer breaks the protocol, or a download its checksum. */
    INVALID_ANSWER,
    /** The cache cannot be written or has no room. */
    CACHE
  }

  /** A failure without another one behind it. */
  public HubException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  /** A failure that another one caused. */
  public HubException(Reason reason, String message, Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  /** What went wrong. */
  public Reason reason() {
    return reason;
  }
}
