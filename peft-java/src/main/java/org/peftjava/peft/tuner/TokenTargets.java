package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Tokens that a config trains beside its adapter: {@code trainable_token_indices}.
 *
 * @param tokens ids by the name of a module; {@link #INPUT} is the token embeddings
 * @param ensuresTies whether layers that share a weight must get the same rows
 */
public record TokenTargets(Map<String, List<Long>> tokens, boolean ensuresTies) {
  /** The name of the token embeddings, wherever they are. */
  static final String INPUT = "";

  /** No tokens. */
  public static final TokenTargets NONE = new TokenTargets(Map.of(), false);

  /** Keeps unchangeable values. */
  public TokenTargets {
    tokens = Collections.unmodifiableMap(new LinkedHashMap<>(tokens));
  }

  /** The value of a field: a list of ids, or ids by module. */
  public static TokenTargets ofField(ConfigFields fields, String name, boolean ensuresTies) {
    Object value = fields.get(name);
    Map<String, List<Long>> result = new LinkedHashMap<>();
    if (value instanceof Map<?, ?> map) {
      map.forEach((module, ids) -> result.put(String.valueOf(module), ids(fields, name, ids)));
    } else if (value != null) {
      result.put(INPUT, ids(fields, name, value));
    }
    return fields.isSet(name) ? new TokenTargets(result, ensuresTies) : NONE;
  }

  private static List<Long> ids(ConfigFields fields, String name, @Nullable Object value) {
    List<Long> result = new ArrayList<>();
    if (value instanceof List<?> list) {
      for (Object item : list) {
        if (item instanceof Long id) {
          result.add(id);
        }
      }
      if (result.size() == list.size()) {
        return List.copyOf(result);
      }
    }
    throw fields.invalid(name, "must be token ids, or token ids by module name");
  }
}
