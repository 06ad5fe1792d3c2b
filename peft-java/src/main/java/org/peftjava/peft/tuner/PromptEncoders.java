package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.peftjava.torch.nn.Module;

/** The encoders of a model's adapters, by adapter: Python's {@code prompt_encoder}. */
public final class PromptEncoders extends Module {
  private final AdapterSet set;
  private final Map<String, ActingPrompt> byAdapter = new LinkedHashMap<>();

  PromptEncoders(AdapterSet set) {
    this.set = set;
  }

  /** The encoders by adapter; none if the adapters are of another kind. */
  public Map<String, ActingPrompt> all() {
    return Collections.unmodifiableMap(byAdapter);
  }

  /** The virtual tokens that act now, if any do. */
  public Optional<ActingPrompt> acting() {
    return set.isEnabled()
        ? set.active().stream()
            .map(byAdapter::get)
            .filter(Objects::nonNull)
            .findFirst()
            .map(found -> set.tasks().map(rows -> found.withTasks(rows.ids())).orElse(found))
        : Optional.empty();
  }

  void add(String adapter, ActingPrompt prompt) {
    prompt.encoder().train(isTraining());
    byAdapter.put(adapter, prompt);
    child(adapter, prompt.encoder());
  }

  void delete(String adapter) {
    if (byAdapter.remove(adapter) != null) {
      removeChild(adapter).close();
    }
  }

  /** Throws if more than one of these adapters has virtual tokens. */
  void checkActivation(List<String> adapters) {
    List<String> owners = adapters.stream().filter(byAdapter::containsKey).toList();
    if (owners.size() > 1) {
      throw new IllegalArgumentException(
          "Adapters "
              + owners
              + " have virtual tokens, of which only one's can act. Activate one.");
    }
  }
}
