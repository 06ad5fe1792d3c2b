package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.transformers.config.PythonJson;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads repositories of the hub into the cache that is shared with Python's huggingface_hub.
 *
 * <p>Protocol and layout: {@code huggingface_hub/_snapshot_download.py, file_download.py}. One
 * request tells a revision's commit and files; a file that the commit's snapshot lacks costs one
 * HEAD for its hash and size, and one GET if no blob has that hash.
 */
public final class HubClient {
  private static final Logger LOG = LoggerFactory.getLogger(HubClient.class);
  private static final String MAIN = "main";
  private static final String INDEX_SUFFIX = ".index.json";
  private static final int MAX_ANSWER = 16 << 20;
  private static final long MAX_INDEX = 64L << 20;

  private final HubOptions options;
  private final Pause pause;
  private final HubHttp http;

  /** A client with these options. */
  public HubClient(HubOptions options) {
    this(options, Pause::sleep);
  }

  HubClient(HubOptions options, Pause pause) {
    this.options = options;
    this.pause = pause;
    this.http = new HubHttp(options, pause);
  }

  /**
   * The folder in the cache with the needed files of a repository, after downloading those that are
   * not there.
   *
   * <p>If the hub cannot be asked, what the cache has from an earlier time is returned, as in
   * Python, with a warning.
   *
   * @throws HubException if the files cannot be had
   */
  public Path snapshotDownload(RepoId repo, RepoFiles files) {
    String revision = repo.revision().or(options::revision).orElse(MAIN);
    HubCache cache = new HubCache(options.cacheDir(), repo, options.symlinks());
    Optional<Path> cached = cache.snapshot(revision);
    if (options.localFilesOnly()) {
      return cached.orElseThrow(() -> notCached(repo, revision));
    }
    RepoInfo info;
    try {
      info = info(repo, revision, cached.isPresent() ? 0 : Pause.RETRIES);
    } catch (HubException e) {
      if (cached.isEmpty() || e.reason() == Reason.REVISION_NOT_FOUND) {
        throw e;
      }
      LOG.warn("{} Using what the cache has: {}.", e.getMessage(), cached.get());
      return cached.get();
    }
    for (String name : files.select(info.files())) {
      Path file = fetch(cache, info.commit(), name);
      if (name.endsWith(INDEX_SUFFIX)) {
        for (String shard : shards(file)) {
          fetch(cache, info.commit(), name.substring(0, name.lastIndexOf('/') + 1) + shard);
        }
      }
    }
    cache.writeRef(revision, info.commit());
    return cache.snapshotFolder(info.commit());
  }

  /** One file of a repository, in the cache; Python's {@code hf_hub_download}. */
  public Path hfHubDownload(RepoId repo, String filename) {
    if (!FileNames.isSafe(filename)) {
      throw new IllegalArgumentException(
          "\"" + filename + "\" is no name of a file in a repository.");
    }
    RepoFiles one = new RepoFiles(List.of(filename), List.of());
    Path file = snapshotDownload(repo, one).resolve(filename);
    if (Files.exists(file)) {
      return file;
    }
    throw new HubException(
        options.localFilesOnly() ? Reason.LOCAL_ENTRY_NOT_FOUND : Reason.ENTRY_NOT_FOUND,
        "The repository \"" + repo + "\" has no file \"" + filename + "\".");
  }

  private HubException notCached(RepoId repo, String revision) {
    return new HubException(
        Reason.LOCAL_ENTRY_NOT_FOUND,
        "The repository \""
            + repo.name()
            + "\" (revision "
            + revision
            + ") is not in the hub's cache "
            + options.cacheDir()
            + ", and downloads are off (HF_HUB_OFFLINE or localFilesOnly).");
  }

  RepoInfo info(RepoId repo, String revision, int retries) {
    URI uri = uri("/api/models/" + repo.name() + "/revision/" + FileNames.quote(revision));
    HttpResponse<InputStream> answer = http.get(uri, retries);
    if (answer.statusCode() != 200) {
      HubHttp.close(answer);
      throw HubErrors.of(answer, repo, revision, Optional.empty(), options.endpoint());
    }
    byte[] json = TimedBody.readAll(answer.body(), options.downloadTimeout(), MAX_ANSWER, uri);
    return RepoInfo.parse(new String(json, StandardCharsets.UTF_8), repo);
  }

  /** The file in the snapshot, after a download if needed. */
  private Path fetch(HubCache cache, String commit, String name) {
    Path pointer = cache.snapshotFolder(commit).resolve(name);
    if (Files.exists(pointer) && !options.forceDownload()) {
      return pointer; // a commit never changes
    }
    RepoId repo = cache.repo();
    URI uri = uri("/" + repo.name() + "/resolve/" + commit + "/" + FileNames.quotePath(name));
    HttpResponse<Void> answer = http.head(uri);
    int kind = answer.statusCode() / 100;
    if (kind != 2 && kind != 3) {
      throw HubErrors.of(answer, repo, commit, Optional.of(name), options.endpoint());
    }
    RemoteFile remote = RemoteFile.of(answer.headers(), kind == 3, commit, name);
    Path blob = cache.blob(remote.etag());
    try (CacheLock lock = CacheLock.acquire(cache.lock(remote.etag()))) {
      boolean isNew = options.forceDownload() || !Files.exists(blob);
      if (isNew) {
        createFolders(cache, blob);
        new BlobDownload(
                http,
                options,
                pause,
                name,
                uri,
                remote,
                blob.resolveSibling(remote.etag() + ".incomplete"))
            .run(
                blob,
                bad -> HubErrors.of(bad, repo, commit, Optional.of(name), options.endpoint()));
      }
      cache.link(remote.etag(), pointer, isNew);
    }
    return pointer;
  }

  private static void createFolders(HubCache cache, Path blob) {
    try {
      cache.createFolders(blob);
    } catch (IOException e) {
      throw HubCache.cannotWrite(blob, e);
    }
  }

  /** The files that an index names. */
  private static Set<String> shards(Path index) {
    Set<String> names = new TreeSet<>();
    for (JsonNode name : PythonJson.read(index, MAX_INDEX).path("weight_map")) {
      if (!FileNames.isSafe(name.asText()) || name.asText().contains("/")) {
        throw new HubException(
            Reason.INVALID_ANSWER,
            index
                + " names the file \""
                + FileNames.shown(name.asText())
                + "\", which is refused.");
      }
      names.add(name.asText());
    }
    return names;
  }

  private URI uri(String path) {
    return URI.create(options.endpoint() + path);
  }
}
