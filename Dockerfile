FROM python:3.12-slim
WORKDIR /app
RUN pip install --no-cache-dir uv
COPY requirements.lock .
RUN uv pip install --system --no-cache --require-hashes -r requirements.lock
COPY . .
RUN uv pip install --system --no-cache --no-deps .
RUN useradd --create-home bizops && mkdir /state && chown bizops /state
USER bizops
ENV BIZOPS_HOME=/state DO_NOT_TRACK=1
ENTRYPOINT ["bizops"]
CMD ["--help"]
