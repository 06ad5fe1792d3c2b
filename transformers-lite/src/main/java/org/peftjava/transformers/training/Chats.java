package org.peftjava.transformers.training;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Chats of one line of a file as training sequences.
 *
 * @param site the line, for errors
 */
record Chats(TextEncoder.ChatEncoder encoder, String site) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final TypeReference<List<Map<String, Object>>> MESSAGES = new TypeReference<>() {};

  /** A chat, of which all is learned. */
  Example whole(JsonNode messages) {
    return Example.of(encode(messages(messages), false));
  }

  /** The messages so far, and those that the model learns. */
  Example completion(JsonNode prompt, JsonNode completion) {
    List<Map<String, Object>> given = messages(prompt);
    List<Map<String, Object>> all = new ArrayList<>(given);
    all.addAll(messages(completion));
    long[] begin = encode(given, true);
    long[] ids = encode(all, false);
    int same = Arrays.mismatch(begin, ids);
    if (same >= 0 && same < begin.length) {
      throw new IllegalArgumentException(
          site
              + ": the chat template does not write the prompt as a beginning of the whole chat:"
              + " they differ at token "
              + same
              + " of "
              + begin.length
              + ". Use messagesField(…), which learns the whole chat, or another template.");
    }
    return Example.ofCompletion(begin, Arrays.copyOfRange(ids, begin.length, ids.length));
  }

  private long[] encode(List<Map<String, Object>> messages, boolean addGenerationPrompt) {
    try {
      return encoder.encode(messages, addGenerationPrompt);
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw new IllegalArgumentException(site + ": " + e.getMessage(), e);
    }
  }

  private List<Map<String, Object>> messages(JsonNode list) {
    for (JsonNode message : list) {
      if (!message.isObject()) {
        throw new IllegalArgumentException(
            site
                + ": a chat is a list of objects with \"role\" and \"content\", found "
                + message.getNodeType()
                + " in it.");
      }
    }
    return JSON.convertValue(list, MESSAGES);
  }
}
