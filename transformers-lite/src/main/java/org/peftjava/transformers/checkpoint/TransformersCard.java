package org.peftjava.transformers.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The model card of a model or tokenizer that is pushed to the hub: the one that is there with tags
 * added, or a new one. Reference: {@code transformers/utils/hub.py::create_and_tag_model_card}.
 */
public final class TransformersCard {
  private static final String BODY =
      "\n# Model card\n\n<!-- What the model is for, what it was trained on, and its limits. -->\n";

  private TransformersCard() {}

  /** Writes or updates the card of a folder. */
  public static void write(Path folder, List<String> tags) {
    Optional<RepoCard> present = RepoCard.load(folder);
    if (present.isPresent() && tags.isEmpty()) {
      return;
    }
    RepoCard card = present.orElseGet(() -> RepoCard.ofBody(BODY));
    if (present.isEmpty()) {
      card.put("library_name", "transformers");
    }
    card.putTags(tags, tag -> false, false);
    card.save(folder);
  }
}
