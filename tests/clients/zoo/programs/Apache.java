// Apache HttpClient 4, as Debian has it; the SDK of Java is built on version 5.
import java.nio.charset.StandardCharsets;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.client.methods.HttpUriRequest;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.StringEntity;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

class Apache {
  static final CloseableHttpClient CLIENT = HttpClients.createSystem();

  static String call(String url, String form, String login, String type) throws Exception {
    HttpUriRequest request = new HttpGet(url);
    if (form != null) {
      HttpPost post = new HttpPost(url);
      post.setEntity(new StringEntity(form, ContentType.create(type, StandardCharsets.UTF_8)));
      request = post;
    }
    request.setHeader("Authorization", login);
    return EntityUtils.toString(CLIENT.execute(request).getEntity(), StandardCharsets.UTF_8);
  }
}
