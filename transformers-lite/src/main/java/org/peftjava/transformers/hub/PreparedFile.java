package org.peftjava.transformers.hub;

/**
 * A file of a commit, and what the hub says about it.
 *
 * @param addition the file
 * @param size its bytes
 * @param large whether it goes to the store of large files (LFS)
 * @param ignored whether the repository's .gitignore excludes it
 * @param unchanged whether the repository has it already
 * @param oid SHA-256 of a large file, git's hash of another
 */
record PreparedFile(
    CommitOperation.Add addition,
    long size,
    boolean large,
    boolean ignored,
    boolean unchanged,
    String oid) {
  String name() {
    return addition.pathInRepo();
  }

  boolean isWanted() {
    return !ignored && !unchanged;
  }
}
