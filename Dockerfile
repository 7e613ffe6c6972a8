FROM python:3.13-slim
RUN useradd --create-home nextvoice && install -d -m 700 -o nextvoice /data
WORKDIR /site
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
ENV DATA_DIR=/data PYTHONUNBUFFERED=1
RUN SECRET_KEY=build DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
  && cp -r /tmp/build/static /site/collected && rm -r /tmp/build
ENV STATIC_ROOT=/site/collected
USER nextvoice
EXPOSE 8000
CMD ["sh", "-c", "python manage.py setup && exec python manage.py serve --host 0.0.0.0 --port 8000"]
