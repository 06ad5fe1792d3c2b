package org.peftjava.transformers.hub;

import java.util.Arrays;
import java.util.List;

/** The client as a program, for hub_interop.py: downloads files and prints their snapshot. */
final class HubDownload {
  private HubDownload() {}

  /** The repository and the files; everything else comes from the environment. */
  public static void main(String[] arguments) {
    List<String> files = Arrays.asList(arguments).subList(1, arguments.length);
    HubClient client = new HubClient(HubOptions.builder().build());
    System.out.println(
        client.snapshotDownload(RepoId.parse(arguments[0]), new RepoFiles(files, List.of())));
  }
}
