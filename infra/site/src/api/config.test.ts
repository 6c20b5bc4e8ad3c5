import { expect, test } from 'vitest';
import { keepApi, parseConfig } from './config.ts';

test('config.json names the API and others; slashes at the end do not count', () => {
  expect(parseConfig({}, '')).toEqual({ api: '', compare: [] });
  const json = { api: 'https://a.example/prod/', compare: ['https://b.example/'] };
  expect(parseConfig(json, '')).toEqual({ api: 'https://a.example/prod', compare: ['https://b.example'] });
});

test('?api= takes the place of the API, and stays from page to page', () => {
  const search = '?api=http%3A%2F%2F127.0.0.1%3A8080%2F&other=1';
  expect(parseConfig({ api: 'https://a.example' }, search).api).toBe('http://127.0.0.1:8080');
  expect(parseConfig({ api: 'https://a.example' }, '?api=').api).toBe('');
  expect(keepApi(search)).toBe('?api=http%3A%2F%2F127.0.0.1%3A8080%2F');
  expect(keepApi('?other=1')).toBe('');
});

test.each([null, 'text', { api: 1 }, { api: 'a.example' }, { compare: 'https://b.example' }, { compare: [1] }])(
  '%j is no configuration',
  (json) => {
    expect(() => parseConfig(json, '')).toThrow('config.json');
  },
);

test('?api= must be an address', () => {
  expect(() => parseConfig({}, '?api=javascript:alert(1)')).toThrow('api=');
});
