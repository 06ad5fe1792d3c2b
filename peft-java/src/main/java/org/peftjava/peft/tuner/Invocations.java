package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the invocations of the adapters that act and wait for one. Reference: PEFT {@code
 * lora/variants.py::get_alora_offsets_for_forward, get_alora_offsets_for_generate}.
 */
public final class Invocations {
  private static final Logger LOG = LoggerFactory.getLogger(Invocations.class);

  private final AdapterSet set;
  private final Map<String, long[]> invocations = new LinkedHashMap<>();

  private Invocations(AdapterSet set) {
    this.set = set;
  }

  /** Those of the adapters that act now, for the whole batch or for rows of it. */
  public static Invocations of(TunedModel model) {
    AdapterSet set = model.adapters();
    Invocations result = new Invocations(set);
    Set<String> names = new LinkedHashSet<>(set.isEnabled() ? set.active() : Set.of());
    set.rows().ifPresent(rows -> names.addAll(rows.adapters()));
    for (String name : names) {
      TunerConfig config = model.configs().get(name);
      if (config != null && !config.invocationTokens().isEmpty()) {
        result.invocations.put(
            name, config.invocationTokens().stream().mapToLong(Long::longValue).toArray());
      }
    }
    return result;
  }

  /** Whether no adapter waits for an invocation. */
  public boolean isEmpty() {
    return invocations.isEmpty();
  }

  /** Whether the pass already knows the invoked tokens, from a caller. */
  public boolean isKnown() {
    return set.invoked().isPresent();
  }

  /** The invoked tokens of these texts; none where there are only embeddings. */
  public InvokedTokens in(long @Nullable [][] rows) {
    Map<String, long[]> offsets = new LinkedHashMap<>();
    if (rows == null) {
      LOG.warn(
          "Adapters {} act after their invocation tokens, which are not to be seen in embeddings:"
              + " they do not act in this pass.",
          invocations.keySet());
    } else {
      invocations.forEach(
          (name, invocation) ->
              offsets.put(
                  name,
                  Arrays.stream(rows)
                      .mapToLong(row -> InvokedTokens.offset(row, invocation))
                      .toArray()));
    }
    return new InvokedTokens(offsets);
  }

  /** The same numbers for all adapters that wait for an invocation. */
  public InvokedTokens given(long[] offsets) {
    Map<String, long[]> result = new LinkedHashMap<>();
    invocations.keySet().forEach(name -> result.put(name, offsets.clone()));
    return new InvokedTokens(result);
  }

  /** The result of {@code work}, such as a pass, within which adapters act for these tokens. */
  public <T> T during(InvokedTokens tokens, Supplier<T> work) {
    return set.withInvoked(tokens, work);
  }
}
