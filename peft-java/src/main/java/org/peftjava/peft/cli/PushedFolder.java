package org.peftjava.peft.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.transformers.checkpoint.RepoCard;
import org.peftjava.transformers.checkpoint.TransformersCard;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.hub.PushToHubMixin;

/**
 * A saved adapter or model with all that is in its folder. Its README.md goes along, unless it is
 * the one that saving wrote and the repository has one: then that one is kept and updated.
 *
 * @param folder the folder
 * @param card the adapter's card; empty for a model
 */
record PushedFolder(Path folder, Optional<ModelCard> card) implements PushToHubMixin {
  /** An adapter's folder, or one with folders of adapters, or exit code 66. */
  static PushedFolder ofAdapter(Path folder) {
    Inputs.folder("adapter", folder);
    List<Path> places;
    try (Stream<Path> below = Files.list(folder)) {
      places = Stream.concat(Stream.of(folder), below.sorted()).toList();
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read the folder " + folder + ".", e);
    }
    Path adapter =
        places.stream()
            .filter(place -> Files.isRegularFile(place.resolve(AdapterConfigJson.FILE_NAME)))
            .findFirst()
            .orElseThrow(() -> missing("adapter", folder, AdapterConfigJson.FILE_NAME));
    return new PushedFolder(
        folder,
        Optional.of(ModelCard.of(CommandFailure.data(() -> AdapterConfigJson.read(adapter)))));
  }

  /** A model's folder, or exit code 66. */
  static PushedFolder ofModel(Path folder) {
    Inputs.folder("model", folder);
    if (!Files.isRegularFile(folder.resolve("config.json"))) {
      throw missing("model", folder, "config.json");
    }
    return new PushedFolder(folder, Optional.empty());
  }

  private static CommandFailure missing(String what, Path folder, String file) {
    return new CommandFailure(
        ExitCode.NO_INPUT, "The " + what + " folder " + folder + " has no " + file + ".");
  }

  @Override
  public String hubName() {
    return "model";
  }

  @Override
  public void saveForHub(Path target, PushOptions options) {
    Optional<RepoCard> ours = RepoCard.load(folder);
    boolean theirsIsBetter =
        ours.isPresent() && card.isPresent() && card.get().isUntouched(ours.get());
    boolean keepsTheirs = RepoCard.load(target).isPresent() && (ours.isEmpty() || theirsIsBetter);
    try (Stream<Path> walk = Files.walk(folder)) {
      for (Path file : walk.filter(Files::isRegularFile).toList()) {
        Path name = folder.relativize(file);
        if (!keepsTheirs || !name.equals(Path.of(RepoCard.FILE_NAME))) {
          place(file, target.resolve(name.toString()));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot prepare " + folder + " for its upload.", e);
    }
    if (keepsTheirs || ours.isEmpty()) {
      card.ifPresentOrElse(
          adapter -> adapter.updated(target, options.tags()).save(target),
          () -> TransformersCard.write(target, options.tags()));
    }
  }

  /** Links to the file, or copies it where there are no links. */
  private static void place(Path file, Path target) throws IOException {
    Files.createDirectories(Objects.requireNonNull(target.getParent()));
    Files.deleteIfExists(target);
    try {
      Files.createSymbolicLink(target, file.toRealPath());
    } catch (IOException | UnsupportedOperationException e) {
      Files.copy(file, target);
    }
  }
}
