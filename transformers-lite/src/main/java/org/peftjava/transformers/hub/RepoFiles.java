package org.peftjava.transformers.hub;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Which files of a repository are needed.
 *
 * @param names those that are taken if the repository has them
 * @param alternatives lists of which only the first that the repository has is taken; if it is an
 *     index of shards ({@code *.index.json}), the shards too
 */
public record RepoFiles(List<String> names, List<List<String>> alternatives) {
  /** Copies the lists. */
  public RepoFiles {
    names = List.copyOf(names);
    alternatives = alternatives.stream().map(List::copyOf).toList();
  }

  /** These files and others. */
  public RepoFiles and(RepoFiles others) {
    return new RepoFiles(
        Stream.concat(names.stream(), others.names.stream()).distinct().toList(),
        Stream.concat(alternatives.stream(), others.alternatives.stream()).distinct().toList());
  }

  /** The same files in a folder of the repository. */
  public RepoFiles below(String folder) {
    return new RepoFiles(
        names.stream().map(name -> folder + "/" + name).toList(),
        alternatives.stream()
            .map(choices -> choices.stream().map(name -> folder + "/" + name).toList())
            .toList());
  }

  /** Those of the repository that are needed, the weights first. */
  List<String> select(Set<String> inRepository) {
    List<String> selected = new ArrayList<>();
    for (List<String> choices : alternatives) {
      choices.stream().filter(inRepository::contains).findFirst().ifPresent(selected::add);
    }
    names.stream().filter(inRepository::contains).forEach(selected::add);
    return selected;
  }
}
