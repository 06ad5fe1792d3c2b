package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * What the hub wants to be done with a large file: send it as a whole, or in parts and then say
 * that it is complete. Reference: {@code huggingface_hub/lfs.py::lfs_upload}.
 *
 * @param target where the whole goes, or who is told that all parts are there
 * @param chunkSize bytes of a part, if it goes in parts
 * @param parts where the parts go, in order
 * @param verify who is told at the end, if anybody
 */
record LfsAction(URI target, Optional<Long> chunkSize, List<URI> parts, Optional<URI> verify) {
  private static final String PUBLIC_HUB = "https://huggingface.co";

  /** Reads {@code actions}; empty if the file is there already. */
  static Optional<LfsAction> of(JsonNode object, CommitOperation.Add addition, URI endpoint) {
    JsonNode actions = object.path("actions");
    if (!actions.path("upload").isObject()) {
      return Optional.empty();
    }
    JsonNode upload = actions.path("upload");
    URI target = address(upload, addition, endpoint);
    Optional<URI> verify =
        actions.path("verify").isObject()
            ? Optional.of(address(actions.path("verify"), addition, endpoint))
            : Optional.empty();
    JsonNode header = upload.path("header");
    if (!header.has("chunk_size")) {
      return Optional.of(new LfsAction(target, Optional.empty(), List.of(), verify));
    }
    String size = header.path("chunk_size").asText();
    long bytes = UploadPlan.size(addition.file());
    if (!size.matches("[1-9]\\d{0,15}")) {
      throw invalid(addition, "names the chunk size \"" + FileNames.shown(size) + "\"");
    }
    long chunkSize = Long.parseLong(size);
    TreeMap<Integer, URI> parts = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : header.properties()) {
      if (entry.getKey().matches("\\d{1,9}")) {
        parts.put(
            Integer.valueOf(entry.getKey()),
            address(entry.getValue().asText(), addition, endpoint));
      }
    }
    if (parts.size() != (bytes + chunkSize - 1) / chunkSize) {
      throw invalid(
          addition,
          "names "
              + parts.size()
              + " parts of "
              + chunkSize
              + " for a file of "
              + bytes
              + " bytes");
    }
    return Optional.of(
        new LfsAction(target, Optional.of(chunkSize), List.copyOf(parts.values()), verify));
  }

  private static URI address(JsonNode action, CommitOperation.Add addition, URI endpoint) {
    return address(action.path("href").asText(), addition, endpoint);
  }

  /** An address; one of the public hub becomes one of the hub that is asked. */
  private static URI address(String text, CommitOperation.Add addition, URI endpoint) {
    String href =
        text.startsWith(PUBLIC_HUB + "/") ? endpoint + text.substring(PUBLIC_HUB.length()) : text;
    try {
      URI uri = URI.create(href);
      boolean secure = "https".equals(uri.getScheme());
      if (uri.getHost() != null
          && (secure || ("http".equals(uri.getScheme()) && "http".equals(endpoint.getScheme())))) {
        return uri;
      }
    } catch (IllegalArgumentException e) {
      throw invalid(addition, "names an address that is none");
    }
    throw invalid(addition, "names an address that is not secure");
  }

  private static HubException invalid(CommitOperation.Add addition, String what) {
    return new HubException(
        Reason.INVALID_ANSWER,
        "The hub's answer for " + addition.pathInRepo() + " " + what + ", which is refused.");
  }
}
